import type { Admission } from '../context.ts'
import { ProblemError } from '../problem/problem.ts'

/** Bytes of bodies that wait to be stored. Vendors send some kilobytes; a body may have a mebibyte. */
const MAX_BYTES = 64 * 1_048_576

/**
 * The bound of a process under load: its memory stays bounded, and whoever comes beyond it learns so at once instead of
 * waiting for a time-out. Only requests that are authenticated take places, so that strangers cannot hold them; health and
 * reports take none.
 */
export function createAdmission({
  maxWaiting,
  maxBytes = MAX_BYTES,
}: {
  maxWaiting: number
  maxBytes?: number
}): Admission {
  let waiting = 0
  let held = 0
  return {
    enter(bytes) {
      if (waiting >= maxWaiting || held + bytes > maxBytes) {
        throw new ProblemError('service_unavailable', 'More is coming in than can be stored. Try again shortly.')
      }
      waiting += 1
      held += bytes
      return () => {
        waiting -= 1
        held -= bytes
      }
    },
  }
}
