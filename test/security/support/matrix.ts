import type { OperationId } from '../../../src/contract.ts'
import { callersOf } from './callers.ts'
import { type Expected, expectedOf } from './expected.ts'
import { placesOf } from './places.ts'
import { isImplemented, operationIds, rowOf } from './request.ts'
import { things } from './things.ts'

export interface Counts {
  operations: number
  /** Operation × caller. */
  callerCells: Record<Expected, number>
  /** Operation × id: a missing one, another tenant's, and that by its owner. */
  idCells: { compared: number; notImplemented: number; noRow: number }
  cells: number
}

/** The size of the matrix, which follows from the contract. */
export function countCells(): Counts {
  const callerCells: Counts['callerCells'] = { 401: 0, 403: 0, 501: 0, admitted: 0, open: 0 }
  const idCells: Counts['idCells'] = { compared: 0, notImplemented: 0, noRow: 0 }
  for (const operationId of operationIds) {
    const row = rowOf(operationId)
    for (const caller of callersOf(row)) callerCells[expectedOf(row, isImplemented(operationId), caller)] += 1
    for (const place of placesOf(operationId)) {
      if (!Object.hasOwn(things, place.things)) idCells.noRow += CELLS_OF_A_PLACE
      else if (isImplemented(operationId)) idCells.compared += CELLS_OF_A_PLACE
      else idCells.notImplemented += CELLS_OF_A_PLACE
    }
  }
  const cells = [...Object.values(callerCells), ...Object.values(idCells)].reduce((sum, count) => sum + count, 0)
  return { operations: operationIds.length, callerCells, idCells, cells }
}

const CELLS_OF_A_PLACE = 3

/** Things that no row can be made of, and the operations that name them. */
export function listWithoutRow(): Map<string, OperationId[]> {
  const found = new Map<string, OperationId[]>()
  for (const operationId of operationIds) {
    for (const place of placesOf(operationId)) {
      if (Object.hasOwn(things, place.things)) continue
      found.set(place.things, [...(found.get(place.things) ?? []), operationId])
    }
  }
  return found
}
