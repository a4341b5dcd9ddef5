/* The client of the order services: it sends its requests again, as clients do, and prints what it is answered. */

export interface Order {
  item: string
  amount: number
}

export function post(url: string, body: object, headers: Record<string, string>): Promise<Response> {
  const all = { 'Content-Type': 'application/json', ...headers }
  return fetch(url, { method: 'POST', headers: all, body: JSON.stringify(body) })
}

export async function sendOrders(serviceUrl: string): Promise<void> {
  async function order(what: string, body: Order, headers: Record<string, string>): Promise<void> {
    const response = await post(`${serviceUrl}/orders`, body, headers)
    const { code, ...found } = (await response.json()) as { code?: string }
    const replayed = response.headers.has('idempotent-replayed') ? ' (replayed)' : ''
    console.log(what.padEnd(16), response.status, `${code ?? JSON.stringify(found)}${replayed}`)
  }

  const anna = { 'X-Api-Key': 'key-of-anna', 'Idempotency-Key': 'order-1' }
  await order('an order', { item: 'desk', amount: 4200 }, anna)
  await order('sent again', { item: 'desk', amount: 4200 }, anna)
  await order('changed', { item: 'desk', amount: 9900 }, anna)
  await order('another tenant', { item: 'desk', amount: 4200 }, { ...anna, 'X-Api-Key': 'key-of-ben' })
  await order('no API key', { item: 'desk', amount: 4200 }, { 'Idempotency-Key': 'order-1' })
  await order('no key', { item: 'desk', amount: 4200 }, { 'X-Api-Key': 'key-of-anna' })
  await order('no receipt', { item: 'lamp', amount: 1900 }, { ...anna, 'Idempotency-Key': 'order-2' })
  await order('sent again', { item: 'lamp', amount: 1900 }, { ...anna, 'Idempotency-Key': 'order-2' })
}
