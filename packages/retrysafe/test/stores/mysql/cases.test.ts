import { afterAll } from 'vitest'
import { missing } from '../../../../../tools/engines/src/index.js'
import { storeCaseSuite } from '../network/store-cases.js'
import { clients, dropTable, freshTable, mysql2Pool, openMysql } from './open.js'

const noServer = (): Promise<string | undefined> => missing('mysql')

/** The cases keep apart by their keys: to make a table for each would take most of their time. */
const table = freshTable()
afterAll(() => dropTable(table))

for (const client of clients) storeCaseSuite(client.name, () => openMysql(client, { table }), noServer)

storeCaseSuite(`${mysql2Pool.name}, call by call`, () => openMysql(mysql2Pool, { table, coalesce: false }), noServer)
