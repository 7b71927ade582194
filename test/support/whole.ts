/** The mode of vitest in which tests try all of their cases: `npm run test:whole`. */
export const WHOLE = 'whole'
