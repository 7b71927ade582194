/** Time for an orderly end once the supervisor is gone; as long as it would have granted itself. */
const GRACE_MS = 10_000

/**
 * For `skeldir serve` and `skeldir worker`: ends this process when its supervisor is gone, however it went. Our stdin is
 * a pipe that the supervisor holds and the kernel closes, so this works after kill -9 too. Sends ourselves SIGTERM, so
 * there is one way of stopping. Does nothing when no supervisor started us.
 */
export function exitWithParent(env: NodeJS.ProcessEnv = process.env): void {
  if (env.SKELDIR_SUPERVISED !== '1') return
  process.stdin.once('close', () => {
    setTimeout(() => process.exit(1), GRACE_MS).unref()
    process.kill(process.pid, 'SIGTERM')
  })
  process.stdin.on('error', () => {})
  process.stdin.resume()
  process.stdin.unref()
}
