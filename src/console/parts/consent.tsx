/** Asks before anything is sent to a server that a link has named. */
export function ConsentNote({ origin, own, onUse }: { origin: string; own: string; onUse: (origin: string) => void }) {
  return (
    <main class="alone">
      <section class="card" aria-labelledby="consent">
        <h1 id="consent">Talk to another server?</h1>
        <p>The address of this page asks the console to send what you type, your password too, to</p>
        <p class="origin">
          <code>{origin}</code>
        </p>
        <p>Go on only if you know this server. Nothing has been sent to it.</p>
        <p class="buttons">
          <button type="button" onClick={() => onUse(own)}>
            Stay with {new URL(own).host}
          </button>
          <button type="button" class="quiet" onClick={() => onUse(origin)}>
            Use {new URL(origin).host}
          </button>
        </p>
      </section>
    </main>
  )
}
