import type { Guess } from './guess.ts';

export interface Written extends Guess {
  readonly directory: string;
  readonly path: string;
  /** The addition to NODE_OPTIONS for a program in Node; null for others. */
  readonly preload: string | null;
  /** At least one. */
  readonly listen: readonly string[];
  /** The file as commands name it. */
  readonly file: string;
}

/** The config with comments. Lines that are commented out are valid as well. */
export function configText(written: Written): string {
  const { name, directory, path, args, listen, sockets, notifies, file } = written;
  const { protocols, reloadUptime, shutdownSignal, shutdownTimeout, changes } = written;
  return `# zero config of the service ${name}: zero owns the sockets, and replaces the service without losing a request.
#
#   zero --config ${file}            start it
#   zero reload --config ${file}     deploy the version on the disk, and print the result
#   zero check --config ${file}      check this file; --print shows it with all defaults
#
# docs/reference/config.md describes all keys. \`zero schema\` prints the JSON Schema for editors.
${changes.map((change) => `# Before you start it: ${change}\n`).join('')}
service:
  # The addresses for clients. zero listens from its own start to its end.
  listeners:
${listen.map((address, index) => listenerText(address, index, sockets)).join('\n')}

  # The program. Each reload starts the version that is then on the disk.
  runtime:
    name: ${scalar(name)}
    directory: ${scalar(directory)}
    path: ${scalar(path)}
    args: [${args.map(scalar).join(', ')}]
${protocols === null ? '' : `    # The conventions by which the program finds its sockets.\n    protocols: [${protocols.join(', ')}]\n`}    # workers: auto
    # Requires zero to run as root. The groups are set as at a login.
    # user: www-data
${environmentText(written.preload)}    # environment_file: .env

  options:
    # A new version must stay up this long before it takes over.
    reload_uptime: ${reloadUptime}
    # Then the old version gets this signal, and SIGKILL if it has not exited in time.
    shutdown_signal: ${shutdownSignal}
    shutdown_timeout: ${shutdownTimeout}

  # Conditions that a new version must meet before it gets connections.
  readiness:
    ${notifies ? '' : '# '}notify: true
    # http: { listener: http, path: /healthz }
    timeout: 60s

  # Send the new version a share of the connections first, and keep the old version on standby for a minute.
  # handover: { canary: { steps: [{ percent: 5, for: 30s }] }, soak: 1m }
`;
}

function environmentText(preload: string | null): string {
  if (preload !== null)
    return `    # The module in NODE_OPTIONS takes the sockets for an unmodified program, reports when it is ready, and drains. Leave
    # it out if the program does this itself.
    inherit_environment: true
    environment: [{ key: NODE_OPTIONS, value: ${scalar(preload)} }]
`;
  return `    # Default: zero's own environment. A list replaces the whole environment. An empty value copies zero's value.
    # environment: [{ key: PATH }, { key: LANG, value: C.UTF-8 }]
`;
}

function listenerText(address: string, index: number, sockets: readonly string[]): string {
  const comment = index === 0 ? sockets.map((line) => `      # ${line}\n`).join('') : '';
  const name = index === 0 ? 'http' : `listener${index + 1}`;
  return `    - name: ${name}\n      address: ${scalar(address)}\n${comment}      socket_fd: ${3 + index}`;
}

/**
 * Text in YAML: plain, or in double quotes, for which YAML accepts JSON's escapes. Plain text must not begin with @
 * (YAML 1.2.2, 5.3).
 */
function scalar(text: string): string {
  const plain = /^[A-Za-z0-9_./][A-Za-z0-9_./@+=:-]*$/.test(text) && !/:$|^(null|true|false)$/.test(text);
  return plain ? text : JSON.stringify(text);
}
