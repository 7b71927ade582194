// Stands for the topics of the contract, which the generator writes to webhook-topics.js of the package.
export * from '../../../../generated/client/webhook-topics.js'
