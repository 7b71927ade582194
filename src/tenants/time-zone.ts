/** By name: Intl takes offsets too, but Postgres reads the sign of `+05:30` the other way round (POSIX). */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}
