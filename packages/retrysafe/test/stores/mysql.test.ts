import { missing } from '../../../../tools/engines/src/index.js'
import { clients, mariadbPool, mysql2Pool, openMysql } from './mysql-open.js'
import { storeCaseSuite } from './network/store-cases.js'

const noServer = (): Promise<string | undefined> => missing('mysql')

for (const client of clients) storeCaseSuite(client.name, () => openMysql(client), noServer)

for (const client of [mysql2Pool, mariadbPool])
  storeCaseSuite(`${client.name}, call by call`, () => openMysql(client, { coalesce: false }), noServer)
