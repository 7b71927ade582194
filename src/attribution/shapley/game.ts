/** A set of players is worth something; players are numbered from 0. */
export interface Game {
  players: number
  /** `members[player]` is 1 for who is in. The same set always has the same worth. */
  worth(members: Uint8Array): number
}
