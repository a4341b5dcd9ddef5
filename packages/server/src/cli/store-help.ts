/** The stores, for the help of every command that takes one. */
export const storeHelp: string = `
Stores:
  memory:                                     in this process only, for trying
  sqlite:PATH                                 one machine, any number of processes
  postgres://USER:PASSWORD@HOST:PORT/DATABASE ?schema=NAME ?table=NAME ?pool=10 ?listen=true
                                              ?sslmode=verify-full ?sslrootcert=PATH
  mysql://USER:PASSWORD@HOST:PORT/DATABASE    ?table=NAME ?pool=10 ?tls=true; mariadb:// is the same
  redis://USER:PASSWORD@HOST:PORT/NUMBER      ?prefix=TEXT; rediss:// for TLS;
                                              HOST,HOST,... with ?cluster=true or with ?sentinel=NAME
  dynamodb:TABLE                              ?region=NAME ?endpoint=URL ?maxClockSkew=5s; credentials as for all of AWS
  What retrysafe migrate makes must be there before; SQLite and Redis need nothing. A URL with a password belongs into
  RETRYSAFE_STORE, where other users of the machine do not see it. In a password @ is %40, / is %2F, and so on.
`
