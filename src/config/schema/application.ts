import * as z from 'zod/mini';
import type { Address } from '../address.ts';
import {
  formatTargets,
  parseAdminAddress,
  parseSentryDsn,
  parseSocketPath,
  parseTargets,
} from '../values/endpoints.ts';
import { formatProxy, parseProxy } from '../values/proxy.ts';
import { key, scalar } from './key.ts';
import { octal, path, text } from './scalars.ts';

const metrics = z.strictObject({
  address: key(
    'Addresses for statsd metrics, separated by commas: `udp://host:port`, `tcp://host:port`, `unix:///path`, `file:///path`.',
    scalar({ kind: 'addresses' }, parseTargets, formatTargets),
  ),
  prefix: key('The prefix of every metric name; zero adds a dot. Default: none.', z.exactOptional(text)),
  proxy: key(
    'A proxy for the `tcp://` addresses: `http://host:port` (CONNECT) or `socks5://host:port` (also written `tcp://host:port`), with `user:password@` if it needs them.',
    z.exactOptional(scalar({ kind: 'URL' }, parseProxy, formatProxy)),
  ),
});

const admin = z.strictObject({
  address: key(
    'Its address: `host:port`, a port alone for localhost, or `unix:/path`. `:port` and any other address that is not loopback is open to every client that can reach it, and zero warns about it.',
    z.prefault(
      scalar(
        { kind: 'address', json: ['string', 'integer'] },
        parseAdminAddress,
        (value: Address) => value.text,
      ),
      'localhost:9640',
    ),
  ),
});

const control = z.strictObject({
  path: key(
    'The Unix socket that commands such as `zero status` use. Default: `control.sock` in the runtime directory.',
    z.exactOptional(scalar({ kind: 'path' }, parseSocketPath, (value) => value)),
  ),
  mode: key('Its permission bits. Default: `0600`, or `0660` with a group.', z.exactOptional(octal)),
  group: key(
    'A group, by name or number, whose members may control zero besides root and its own user.',
    z.exactOptional(text),
  ),
});

const logging = z.strictObject({
  format: key(
    '`human` is for reading, `json` is one JSON document a line. `auto` is human on a terminal and json elsewhere.',
    z.prefault(z.enum(['auto', 'human', 'json']), 'auto'),
  ),
  level: key(
    'The lowest level that is written.',
    z.prefault(z.enum(['debug', 'info', 'warn', 'error']), 'info'),
  ),
  file: key('Write the log to this file instead of standard error.', z.exactOptional(path)),
});

export const application = z.strictObject({
  metrics: key(
    'statsd metrics, under the names of the first zero. Default: none are sent.',
    z.exactOptional(metrics),
  ),
  sentry_dsn: key(
    'The DSN of a Sentry project, to which zero reports failed handovers and crashes.',
    z.exactOptional(scalar({ kind: 'URL' }, parseSentryDsn, (value) => value)),
  ),
  admin: key(
    'A read-only HTTP endpoint: a dashboard, `/metrics`, `/healthz`, `/readyz`, `/status`. Default: none.',
    z.exactOptional(admin),
  ),
  control: key('The socket through which commands reach the running zero.', z.prefault(control, {})),
  logging: key("zero's own log.", z.prefault(logging, {})),
  restart_supervisor: key(
    'Whether the keeper process restarts zero after zero was killed. `auto`: only if no service manager (systemd, runit, s6, supervisord) has started zero.',
    z.prefault(z.enum(['auto', 'always', 'never']), 'auto'),
  ),
  runtime_directory: key(
    'Lock, sockets and state of the running instance. Default: `/run/zero/NAME` for root, else `$XDG_RUNTIME_DIR/zero/NAME`, or `/tmp/zero-UID/NAME` if that variable is not set.',
    z.exactOptional(path),
  ),
  data_directory: key(
    'Data that outlives a restart of the machine: history and kept executables. Default: `/var/lib/zero/NAME` for root, else `$XDG_STATE_HOME/zero/NAME`, or `~/.local/state/zero/NAME` if that variable is not set.',
    z.exactOptional(path),
  ),
});
