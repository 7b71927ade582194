import { breakingFaults } from './breaking-faults.ts'
import { codeFaults } from './code-faults.ts'
import { derivedFaults } from './derived-faults.ts'
import { documentFaults } from './document-faults.ts'
import { exampleFaults } from './example-faults.ts'
import { governanceFaults } from './governance-faults.ts'
import { operationFaults } from './operation-faults.ts'
import type { Operator } from './operator.ts'
import { schemaFaults } from './schema-faults.ts'

export const operators: readonly Operator[] = [
  ...documentFaults,
  ...operationFaults,
  ...schemaFaults,
  ...exampleFaults,
  ...governanceFaults,
  ...breakingFaults,
  ...derivedFaults,
  ...codeFaults,
]
