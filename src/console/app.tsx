import { useState } from 'preact/hooks'
import { chooseApi } from './api/origin.ts'
import { recall, remember } from './api/storage.ts'
import { ConsentNote } from './parts/consent.tsx'
import { Shell } from './shell.tsx'

const API_KEY = 'skeldir.api'

export function App() {
  const own = location.origin
  const [choice, setChoice] = useState(() => {
    const chosen = chooseApi(location.search, recall(API_KEY), own)
    if (!chosen.needsConsent) remember(API_KEY, chosen.isOwn ? null : chosen.origin)
    return chosen
  })
  const use = (origin: string) => {
    remember(API_KEY, origin === own ? null : origin)
    setChoice({ origin, isOwn: origin === own, needsConsent: false, refused: null })
  }
  if (choice.needsConsent) return <ConsentNote origin={choice.origin} own={own} onUse={use} />
  return <Shell key={choice.origin} choice={choice} onUseOwn={() => use(own)} />
}
