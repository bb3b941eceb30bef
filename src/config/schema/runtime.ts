import * as z from 'zod/mini';
import { parseCapability } from '../values/capability.ts';
import { formatLimit, LIMIT_NAMES, parseLimit } from '../values/limit.ts';
import { parseInstanceName, parseVariableName } from '../values/names.ts';
import { forwardSignalProblem } from '../values/signal.ts';
import { parseWorkers } from '../values/simple.ts';
import { choice, key, scalar } from './key.ts';
import { boolean, octal, path, signalExcept, text, verbatim } from './scalars.ts';

const PROTOCOLS = ['systemd', 'server_starter', 'einhorn', 'notify', 'nginx', 'fpm'] as const;

const limit = z.exactOptional(
  scalar({ kind: 'limit', json: ['string', 'integer'] }, parseLimit, formatLimit),
);

const capability = scalar({ kind: 'capability', json: ['string'] }, parseCapability, ({ name }) => name);

const variable = z.strictObject({
  key: key(
    'Name of the variable.',
    scalar({ kind: 'text', json: ['string'] }, parseVariableName, (value) => value),
  ),
  value: key(
    'Its value. Default, also if empty: the value of this variable in the environment of zero.',
    z.prefault(verbatim, ''),
  ),
});

type LimitName = (typeof LIMIT_NAMES)[number];

// The type of Object.fromEntries does not contain the keys.
const limits = z.strictObject(
  Object.fromEntries(LIMIT_NAMES.map((name) => [name, limit])) as Record<LimitName, typeof limit>,
);

export const runtime = z.strictObject({
  name: key(
    'Name of the service and of this instance of zero: letters, digits and `. _ - + @ :`. Default: the name of the script or the directory, and 8 digits that belong to the path of this file.',
    z.exactOptional(
      scalar({ kind: 'text', json: ['string', 'number'] }, parseInstanceName, (value) => value),
    ),
  ),
  directory: key(
    'Working directory of the service, resolved again for every generation. A relative path starts at the directory in which zero was started. Default, also if empty: that directory.',
    z.prefault(
      scalar(
        { kind: 'path' },
        (value) => (value.includes('\0') ? { problem: 'has a NUL character' } : { value }),
        (value) => value,
      ),
      '',
    ),
  ),
  path: key('The executable; a relative path starts at `directory`.', path),
  args: key(
    'Its arguments, as they are written. `${fd.NAME}` is the descriptor number of a listener, `${generation}` counts from 1, `${worker}` from 0.',
    z.prefault(z.array(verbatim), []),
  ),
  environment: key(
    'Variables of the service. A list that is not empty is the whole environment, unless inherit_environment is true.',
    z.prefault(z.array(variable), []),
  ),
  environment_file: key(
    'A file of KEY=VALUE lines, read again for every generation. `environment` overrides it.',
    z.exactOptional(path),
  ),
  inherit_environment: key(
    'The service also gets the environment of zero. Default: true if `environment` is empty, otherwise false.',
    z.exactOptional(boolean),
  ),
  user: key(
    'User, by name or number, that the service runs as, with the groups of a login; zero must be root.',
    z.exactOptional(text),
  ),
  group: key('Group, by name or number. Default: the group of `user`.', z.exactOptional(text)),
  umask: key('Default: the umask of zero.', z.exactOptional(octal)),
  limits: key(
    'Resource limits, getrlimit(2): a number, `soft:hard`, or `unlimited`. Default: those of zero. The soft limit of `nofile` is then the hard one, because Node raises it when zero starts; `zero check --print` shows it.',
    z.prefault(limits, {}),
  ),
  no_new_privs: key(
    'Nothing that the service executes gains privileges: setuid programs and file capabilities have no effect, prctl(2) PR_SET_NO_NEW_PRIVS. Applies to the commands of gates and health checks as well. See docs/security.md.',
    z.prefault(boolean, false),
  ),
  capabilities: key(
    'Capabilities that a service with `user` has without being root, by name, such as `CAP_NET_BIND_SERVICE`: its permitted, effective, inheritable and ambient set, capabilities(7). zero must have them itself. Applies to the commands of gates and health checks as well. Default: none with `user`, otherwise those of zero. See docs/security.md.',
    z.prefault(z.array(capability), []),
  ),
  workers: key(
    'Processes of one generation, at most 256; `auto` is one per core.',
    z.prefault(
      choice(
        {
          kind: 'whole number or auto',
          json: { anyOf: [{ type: 'integer', minimum: 1, maximum: 256 }, { const: 'auto' }] },
        },
        parseWorkers,
      ),
      1,
    ),
  ),
  protocols: key(
    'The conventions by which the service gets its sockets, and `notify`, by which it reports to zero (NOTIFY_SOCKET). Omit `notify` for a program that reports an error if the variable is set.',
    z.prefault(z.array(z.enum(PROTOCOLS)), ['systemd', 'server_starter', 'einhorn', 'notify']),
  ),
  forward_signals: key(
    'Signals that zero passes on to the service.',
    z.prefault(z.array(signalExcept(forwardSignalProblem)), []),
  ),
});
