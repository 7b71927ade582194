// Stands for the table of operations, which the generator writes to operations.js of the package.
export * from '../../../../generated/client/operations.js'
