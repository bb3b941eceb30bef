import { readFileSync } from 'node:fs';
import { parseInet4 } from '../linux/inet4.ts';
import { parseInet6 } from '../linux/inet6.ts';

/** The texts of hosts(5) and nsswitch.conf(5); '' for a file that is not there. */
export interface HostsFiles {
  readonly hosts: string;
  readonly nsswitch: string;
}

/**
 * What the resolver would find in /etc/hosts for a name. Empty where that is not for this file alone to say: it does not know the name,
 * has several addresses of one family, which getaddrinfo(3) puts in order, or is not the first that nsswitch.conf(5) asks.
 */
export function addressesInHosts(
  name: string,
  files: HostsFiles = { hosts: readText('/etc/hosts'), nsswitch: readText('/etc/nsswitch.conf') },
): { address: string; family: 4 | 6 }[] {
  const asked = /^\s*hosts:\s*(\S+)/m.exec(files.nsswitch)?.[1] ?? 'files';
  if (asked !== 'files') return [];
  const lines = files.hosts
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim().toLowerCase().split(/\s+/));
  const found = new Set(lines.flatMap(([address = '', ...names]) => (names.includes(name) ? [address] : [])));
  const addresses = [...found].flatMap((address) => {
    const family = familyOf(address);
    return family === null ? [] : [{ address, family }];
  });
  const unambiguous = new Set(addresses.map(({ family }) => family)).size === addresses.length;
  return unambiguous ? addresses : [];
}

function familyOf(address: string): 4 | 6 | null {
  if (parseInet4(address)) return 4;
  try {
    parseInet6(address);
    return 6;
  } catch {
    return null;
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
