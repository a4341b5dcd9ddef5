import { execFileSync } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'

export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** A certificate for that name, of an authority of its own, or undefined where openssl is missing. */
export function certificate(path: string, name: string): Certificate | undefined {
  const [cert, key] = [join(path, 'cert.pem'), join(path, 'key.pem')]
  const subject = ['-subj', '/CN=own', '-addext', `subjectAltName=${name}`]
  const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject, '-keyout', key, '-out', cert]
  try {
    execFileSync('openssl', args, { stdio: 'pipe' })
  } catch {
    return undefined
  }
  // Engines run as users of their own.
  chmodSync(path, 0o755)
  chmodSync(key, 0o644)
  return { cert, key }
}
