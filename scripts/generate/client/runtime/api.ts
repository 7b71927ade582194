// Stands for the types of the contract, which the generator writes to api.d.ts of the package.
export type { components, operations, paths } from '../../../../generated/api.ts'
