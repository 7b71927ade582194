/** A sentence for the user; the command ends with status 1. */
export class StartError extends Error {
  override name = 'StartError'
}
