// The thread of `thread.ts`.
import { parentPort, workerData } from 'node:worker_threads'
import { type MeasureRequest, measure } from './measure.ts'

parentPort?.postMessage(measure(workerData as MeasureRequest))
