import { operations } from '../../../generated/operations.ts'
import { startMocks } from '../../../mocks/host.ts'
import { notImplementedOperations } from '../../../src/main/not-implemented.ts'
import { compareText } from '../../generate/json.ts'
import { ToolError } from '../finding.ts'
import { compareCell } from './compare.ts'
import { listProbes, PROBE_KINDS, type ProbeKind, type ProbeResult, runProbes } from './conformance.ts'
import { type Cell, type ContractDocument, isMediaType, listCells, readDocument } from './contract.ts'
import type { Disagreement } from './disagreement.ts'
import { type Excuse, findExcuse, judgeExcuses, readExcuses } from './excuses.ts'
import { forgetLedger, type Ledger, readLedger } from './ledger.ts'
import { countVerdicts, type NaturalCounts, type NaturalResult, replayWitnesses } from './natural-run.ts'
import { recordAnswers } from './record.ts'
import { compareServerAnswers, type ServerRow } from './server-answers.ts'
import type { Witness, WitnessReply } from './witness.ts'

export interface RunOptions {
  root: string
  /** Only this operation. */
  operationId?: string
  /** Record again, whatever there is. */
  isFresh: boolean
  /** YYYY-MM-DD (UTC). */
  today: string
  say: (line: string) => void
  signal: AbortSignal
}

export interface ParityReport {
  ok: boolean
  /** When the real server's answers were recorded, and whether by an earlier run. Null: none were needed. */
  recordedAt: string | null
  isReused: boolean
  witnesses: number
  conformance: ConformanceRow[]
  server: ServerRow[]
  operations: OperationParity[]
  /** Operations that the server answers 501: they have a mock and nothing to compare it with. */
  notImplemented: number
  excuses: { total: number; faults: string[] }
  tookMs: number
}

export interface ConformanceRow {
  kind: ProbeKind
  probes: number
  valid: number
  failures: { name: string; operationId: string; status: number | null; disagreements: Disagreement[] }[]
}

export interface OperationParity {
  operationId: string
  cells: CellParity[]
  natural: NaturalCounts
}

export interface CellParity {
  status: number
  mediaType: string | null
  /** False: an answer that was seen, and that the contract does not know. */
  isDocumented: boolean
  witnesses: number
  /** One that produced it, or that sent what the mock answers otherwise. */
  test: string | null
  result: 'agreed' | 'excused' | 'failed'
  disagreements: Disagreement[]
}

/** Records what is missing, starts the mocks, compares, and stops them. Throws ToolError. */
export async function runParity(options: RunOptions): Promise<ParityReport> {
  const began = performance.now()
  const { root, operationId, today, say, signal } = options
  const document = readDocument(root)
  const excuses = readExcuses(root)
  if (operationId !== undefined && !Object.hasOwn(operations, operationId))
    throw new ToolError(`there is no operation ${operationId}`)
  const isAsked = (id: string) => operationId === undefined || id === operationId
  const isAlone = operationId !== undefined && isWaiting(operationId)
  const { witnesses, recordedAt, isReused } = isAlone
    ? { witnesses: [], recordedAt: null, isReused: false }
    : await openWitnesses(options)
  const mocks = await startMocks({ ports: 'free', say, staticRoutes: [] })
  try {
    if (mocks.failed.length > 0) throw new ToolError(`a mock did not start: ${mocks.failed[0]?.message}`)
    const url = mocks.gatewayUrl
    const probes = await runProbes(
      listProbes(document).filter((probe) => isAsked(probe.operationId)),
      { url },
    )
    signal.throwIfAborted()
    const own = witnesses.filter((witness) => isAsked(witness.operationId))
    const naturals = await replayWitnesses(document, own, url)
    signal.throwIfAborted()
    const all = listCells(document).filter((cell) => !isWaiting(cell.operationId))
    const used = new Set<Excuse>()
    const rows = [...new Set(all.map((cell) => cell.operationId))].filter(isAsked).map((id) => {
      const cells = all.filter((cell) => cell.operationId === id)
      return compareOperation({ document, id, cells, witnesses: own, probes, naturals, excuses, used })
    })
    const server = operationId === undefined ? await compareServerAnswers(document, url) : []
    const excusedCells = rows.flatMap(({ cells }) => cells).filter(({ result }) => result === 'excused').length
    const about = operationId === undefined ? excuses : excuses.filter(({ operation }) => operation === operationId)
    const report = {
      recordedAt,
      isReused,
      witnesses: own.length,
      conformance: toConformance(probes),
      server,
      operations: rows,
      notImplemented: Object.keys(operations).filter((id) => isAsked(id) && isWaiting(id)).length,
      excuses: { total: about.length, faults: judgeExcuses(about, used, { cells: all, excusedCells, today }) },
    }
    return { ok: isOk(report), ...report, tookMs: Math.round(performance.now() - began) }
  } finally {
    await mocks.stop()
  }
}

function isWaiting(operationId: string): boolean {
  return Object.hasOwn(notImplementedOperations, operationId)
}

function isOk({ conformance, server, operations: rows, excuses }: Omit<ParityReport, 'ok' | 'tookMs'>): boolean {
  return (
    conformance.every(({ failures }) => failures.length === 0) &&
    server.every(({ failures }) => failures.length === 0) &&
    rows.every(({ cells }) => cells.every(({ result }) => result !== 'failed')) &&
    excuses.faults.length === 0
  )
}

async function openWitnesses({ root, isFresh, say, signal }: RunOptions): Promise<Ledger & { isReused: boolean }> {
  if (isFresh) forgetLedger(root)
  const known = readLedger(root)
  if (known?.isCurrent) return { ...known, isReused: true }
  forgetLedger(root)
  await recordAnswers({ root, say, signal })
  const recorded = readLedger(root)
  if (recorded === null)
    throw new ToolError('the API tests have passed and left no answers: .skeldir cannot be written to')
  if (!recorded.isCurrent) say('contracts:diff: the sources have changed while the answers were recorded; run it again')
  return { ...recorded, isReused: false }
}

interface OperationInput {
  document: ContractDocument
  id: string
  cells: readonly Cell[]
  witnesses: readonly Witness[]
  probes: readonly ProbeResult[]
  naturals: readonly NaturalResult[]
  excuses: readonly Excuse[]
  used: Set<Excuse>
}

function compareOperation(input: OperationInput): OperationParity {
  const { id, cells } = input
  const witnesses = input.witnesses.filter((witness) => witness.operationId === id)
  const naturals = input.naturals.filter(({ witness }) => witness.operationId === id)
  const documented = cells.map((cell) => compareOne(input, cell, witnesses, naturals))
  return {
    operationId: id,
    cells: [...documented, ...listUndocumented(cells, witnesses, naturals)],
    natural: countVerdicts(naturals),
  }
}

function compareOne(
  { document, probes, excuses, used }: OperationInput,
  cell: Cell,
  witnesses: readonly Witness[],
  naturals: readonly NaturalResult[],
): CellParity {
  const own = witnesses.filter(({ reply }) => isOf(cell, reply))
  const mock = probes.flatMap(({ probe, reply }) =>
    probe.kind === 'example' && isSameCell(probe.cells[0], cell) && reply !== null ? [reply] : [],
  )
  const apart = naturals.filter(({ witness, verdict }) => verdict.kind === 'disagreed' && isOf(cell, witness.reply))
  const disagreements = [
    ...compareCell(document, cell, { real: own.map(({ reply }) => reply), mock }),
    ...(mock.length === 0 ? [{ matter: 'status' as const, at: '', message: 'the mock gives no answer' }] : []),
    ...apart.flatMap(({ verdict }) => (verdict.kind === 'disagreed' ? [verdict.disagreement] : [])),
  ]
  const found = disagreements.map((disagreement) => findExcuse(excuses, cell, disagreement))
  for (const excuse of found) if (excuse !== undefined) used.add(excuse)
  return {
    status: cell.status,
    mediaType: cell.mediaType,
    isDocumented: true,
    witnesses: own.length,
    test: [...apart.map(({ witness }) => witness), ...own].find(({ test }) => test !== null)?.test ?? null,
    result: disagreements.length === 0 ? 'agreed' : found.includes(undefined) ? 'failed' : 'excused',
    disagreements,
  }
}

function isOf({ status, mediaType }: Cell, reply: WitnessReply): boolean {
  return reply.status === status && isMediaType(mediaType, reply.headers['content-type'])
}

function isSameCell(a: Cell | undefined, b: Cell): boolean {
  return a?.operationId === b.operationId && a.status === b.status && a.mediaType === b.mediaType
}

/** Answers of either side that no cell describes: each status and media type once. */
function listUndocumented(
  cells: readonly Cell[],
  witnesses: readonly Witness[],
  naturals: readonly NaturalResult[],
): CellParity[] {
  const seen = [
    ...witnesses.map(({ reply, test }) => ({ side: 'the real server', reply, test })),
    ...naturals.flatMap(({ mock, witness: { test } }) =>
      mock === null ? [] : [{ side: 'the mock', reply: mock, test }],
    ),
  ].filter(({ reply }) => !cells.some((cell) => isOf(cell, reply)))
  const found = new Map<string, CellParity>()
  for (const { side, reply, test } of seen) {
    const message = `${side} answers ${reply.status} as ${reply.mediaType ?? 'no body'}, which is not documented`
    const known = found.get(message)
    if (known !== undefined) known.witnesses += 1
    else {
      found.set(message, {
        status: reply.status,
        mediaType: reply.mediaType,
        isDocumented: false,
        witnesses: 1,
        test,
        result: 'failed',
        disagreements: [{ matter: 'status', at: '', message }],
      })
    }
  }
  return [...found.values()].sort((a, b) => a.status - b.status)
}

function toConformance(results: readonly ProbeResult[]): ConformanceRow[] {
  return PROBE_KINDS.map((kind) => {
    const own = results.filter(({ probe }) => probe.kind === kind)
    const wrong = own.filter(({ disagreements }) => disagreements.length > 0)
    const failures = wrong.map(({ probe: { name, operationId, cells }, disagreements }) => ({
      name,
      operationId,
      status: cells[0]?.status ?? null,
      disagreements,
    }))
    return {
      kind,
      probes: own.length,
      valid: own.length - wrong.length,
      failures: failures.sort((a, b) => compareText(a.name, b.name)),
    }
  })
}
