// Stands for the interface with one method per operation, which the generator writes to client.d.ts of the package.
export type { Client, PagedOperationId, ProblemCodes, RawBodyOperationId } from '../../../../generated/client/client.js'
