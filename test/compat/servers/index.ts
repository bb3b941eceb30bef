import type { CompatServer } from '../server.ts';
import { DEBIAN_SERVERS } from './debian.ts';
import { NPM_SERVERS } from './npm.ts';

export { UNSUPPORTED } from './unsupported.ts';

/** All servers in the order of the table. */
export const SERVERS: readonly CompatServer[] = [...DEBIAN_SERVERS, ...NPM_SERVERS];
