/* The client that newer Nodes bring along fits the SQLite store. */
import { DatabaseSync } from 'node:sqlite'
import { sqliteStore } from 'retrysafe/sqlite'

export const store = sqliteStore({ database: new DatabaseSync(':memory:') })
