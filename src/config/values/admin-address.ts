import { type Parsed, quoted } from '../../common/text.ts';
import { type Address, parseAddress } from '../address.ts';

/** Where the admin endpoint listens: what a TCP or Unix listener takes, and a port alone, which is that of localhost. */
export function parseAdminAddress(text: string): Parsed<Address> {
  const parsed = parseAddress(/^\d+$/.test(text) ? `localhost:${text}` : text);
  if ('problem' in parsed) return parsed;
  const { network } = parsed.value;
  if (network.startsWith('tcp') || network === 'unix') return parsed;
  return { problem: `${quoted(text)} is no place for HTTP: write host:port or unix:/path` };
}
