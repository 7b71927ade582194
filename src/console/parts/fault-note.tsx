import type { Problem } from '../../../generated/client/index.js'
import type { UsedOperation } from '../api/api.ts'
import type { Fault } from '../api/outcome.ts'
import { useConsole } from '../context.ts'
import { formatDuration } from '../format/time.ts'

/** Why there is no answer, in the server's own words where it gave some. */
export function FaultNote({
  fault,
  operationId,
  onRetry,
}: {
  fault: Fault
  operationId: UsedOperation
  onRetry?: (() => void) | undefined
}) {
  if (fault.kind === 'missing') return <MissingNote operationId={operationId} />
  return (
    <div class="note bad">
      {fault.kind === 'problem' ? (
        <ProblemText problem={fault.problem} retryAfterS={fault.retryAfterS} />
      ) : (
        <NoAnswerText fault={fault} />
      )}
      {onRetry !== undefined && (
        <p>
          <button type="button" class="quiet" onClick={onRetry}>
            Try again
          </button>
        </p>
      )}
    </div>
  )
}

/** One line for those who hear it. */
export function titleOf(fault: Fault): string {
  if (fault.kind === 'missing') return 'This server does not have it yet'
  if (fault.kind === 'problem') return fault.problem.title
  return fault.kind === 'foreign' ? 'Not an answer of this API' : 'No answer'
}

function MissingNote({ operationId }: { operationId: UsedOperation }) {
  const { origin } = useConsole()
  return (
    <div class="note missing">
      <p>
        <strong>This server does not have it yet.</strong>
      </p>
      <p>
        It is part of the contract: see what{' '}
        <a href={`${origin}/docs/operations/${operationId}`}>
          <code>{operationId}</code>
        </a>{' '}
        will answer, or look at the mocks.
      </p>
    </div>
  )
}

function ProblemText({ problem, retryAfterS }: { problem: Problem; retryAfterS: number | null }) {
  const { origin } = useConsole()
  const { errors = [] } = problem
  return (
    <>
      <p>
        <strong>{problem.title}</strong> <span class="quiet-text">({problem.status})</span>
      </p>
      <p>{problem.detail}</p>
      {errors.length > 0 && (
        <ul>
          {errors.map((error) => (
            <li key={`${error.pointer} ${error.code}`}>
              <code>{error.pointer}</code> {error.detail}
            </li>
          ))}
        </ul>
      )}
      <p class="fine">
        Code <a href={new URL(problem.type, origin).href}>{problem.code}</a>, correlation id{' '}
        <code>{problem.correlation_id}</code>
      </p>
      {retryAfterS !== null && <p class="fine">The server asks to wait {formatDuration(retryAfterS)}.</p>}
    </>
  )
}

function NoAnswerText({ fault }: { fault: Extract<Fault, { kind: 'foreign' | 'unreachable' }> }) {
  const { origin } = useConsole()
  if (fault.kind === 'foreign')
    return (
      <>
        <p>
          <strong>Not an answer of this API</strong> <span class="quiet-text">({fault.status})</span>
        </p>
        <p>
          Something at <code>{origin}</code> answers, but not as the contract says. Is this the right address?
        </p>
        {fault.correlationId !== null && (
          <p class="fine">
            Correlation id <code>{fault.correlationId}</code>
          </p>
        )}
      </>
    )
  return (
    <>
      <p>
        <strong>No answer</strong>
      </p>
      <p>
        <code>{origin}</code>{' '}
        {fault.reason === 'timeout' ? 'took too long to answer.' : 'cannot be reached. It may be stopped.'}
        {origin !== location.origin && fault.reason === 'connection' && (
          <>
            {' '}
            Or it does not let pages of <code>{location.origin}</code> read its answers: the tenant’s allowed origins
            decide that.
          </>
        )}
      </p>
    </>
  )
}
