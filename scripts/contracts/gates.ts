import type { Gate } from './gate.ts'
import { breakingGate } from './gates/breaking.ts'
import { bundleGate } from './gates/bundle.ts'
import { changelogGate } from './gates/changelog.ts'
import { documentGate } from './gates/document.ts'
import { errorModelGate } from './gates/error-model.ts'
import { examplesGate } from './gates/examples.ts'
import { generatedGate } from './gates/generated.ts'
import { governanceGate } from './gates/governance.ts'
import { lintGate } from './gates/lint.ts'
import { mocksGate } from './gates/mocks.ts'
import { postgresGate } from './gates/postgres-only.ts'
import { routesGate } from './gates/routes.ts'
import { rulesTableGate } from './gates/rules-table.ts'
import { typesGate } from './gates/types.ts'
import { validatorsGate } from './gates/validators.ts'

/** In the order of the report; a gate stands after those it needs. */
export const gates: readonly Gate[] = [
  documentGate,
  bundleGate,
  lintGate,
  examplesGate,
  errorModelGate,
  governanceGate,
  breakingGate,
  typesGate,
  validatorsGate,
  generatedGate,
  routesGate,
  changelogGate,
  mocksGate,
  postgresGate,
  rulesTableGate(() => gates),
]
