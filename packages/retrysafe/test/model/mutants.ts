import type { Mutant } from './mutant.js'
import { mutantsOfClaims } from './mutants-of-claims.js'
import { mutantsOfRecords } from './mutants-of-records.js'

export const mutants: readonly Mutant[] = [...mutantsOfClaims, ...mutantsOfRecords]
