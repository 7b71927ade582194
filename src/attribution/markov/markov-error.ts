export type MarkovFault = 'bad_path' | 'bad_order' | 'too_many_states' | 'no_exit'

/** Paths of which no chain can be made, or none that can be solved. The message is fit for whoever asked. */
export class MarkovError extends Error {
  override name = 'MarkovError'
  readonly code: MarkovFault

  constructor(code: MarkovFault, message: string) {
    super(message)
    this.code = code
  }
}
