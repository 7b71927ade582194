// Stands for the examples of the contract, which the generator writes to fixture-data.js of the package.
export * from '../../../../generated/client/fixture-data.js'
