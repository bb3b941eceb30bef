import type { Guess } from './guess.ts';

export interface Written extends Guess {
  readonly directory: string;
  readonly path: string;
  /** What NODE_OPTIONS gets for a program in Node; null for others. */
  readonly preload: string | null;
  /** At least one. */
  readonly listen: readonly string[];
  /** The file, as commands name it. */
  readonly file: string;
}

/** The commented config. What is commented out is valid as well. */
export function configText(written: Written): string {
  const { name, directory, path, args, listen, sockets, notifies, file } = written;
  const { protocols, reloadUptime, shutdownSignal, shutdownTimeout, changes } = written;
  return `# ${name} under zero: it owns the sockets, and replaces the service without a lost request.
#
#   zero --config ${file}            starts it
#   zero reload --config ${file}     replaces it by what is on the disk now, and tells how that went
#   zero check --config ${file}      reads this file; --print shows it with every default filled in
#
# Every key is in docs/reference/config.md; \`zero schema\` prints the JSON Schema for editors.
${changes.map((change) => `# Before you start it: ${change}\n`).join('')}
service:
  # What clients connect to. zero listens before the service exists, and never stops while it runs.
  listeners:
${listen.map((address, index) => listenerText(address, index, sockets)).join('\n')}

  # What is started, and started again from what is on the disk at every reload.
  runtime:
    name: ${scalar(name)}
    directory: ${scalar(directory)}
    path: ${scalar(path)}
    args: [${args.map(scalar).join(', ')}]
${protocols === null ? '' : `    # How it finds its sockets.\n    protocols: [${protocols.join(', ')}]\n`}    # workers: auto
    # Needs zero to be root. The groups are those of a login.
    # user: www-data
${environmentText(written.preload)}    # environment_file: .env

  options:
    # A new version must stay up this long before the old one is let go...
    reload_uptime: ${reloadUptime}
    # ... which is then asked to leave, and killed if it has not left in time.
    shutdown_signal: ${shutdownSignal}
    shutdown_timeout: ${shutdownTimeout}

  # What else must be true before a new version gets the first connection.
  readiness:
    ${notifies ? '' : '# '}notify: true
    # http: { listener: http, path: /healthz }
    timeout: 60s

  # A deploy that is watched: a share of the connections first, and the old version stands by for a minute.
  # handover: { canary: { steps: [{ percent: 5, for: 30s }] }, soak: 1m }
`;
}

function environmentText(preload: string | null): string {
  if (preload !== null)
    return `    # What NODE_OPTIONS loads takes the sockets for a program that was never changed, says when it is ready, and drains. Leave it out
    # where the program does so by itself.
    inherit_environment: true
    environment: [{ key: NODE_OPTIONS, value: ${scalar(preload)} }]
`;
  return `    # Left out, the service has zero's environment; a list is all that it has. An empty value copies zero's own.
    # environment: [{ key: PATH }, { key: LANG, value: C.UTF-8 }]
`;
}

function listenerText(address: string, index: number, sockets: readonly string[]): string {
  const comment = index === 0 ? sockets.map((line) => `      # ${line}\n`).join('') : '';
  const name = index === 0 ? 'http' : `listener${index + 1}`;
  return `    - name: ${name}\n      address: ${scalar(address)}\n${comment}      socket_fd: ${3 + index}`;
}

/** Text in YAML as it is, or in double quotes, where JSON's are YAML's as well. No plain text begins with @ (YAML 1.2.2, 5.3). */
function scalar(text: string): string {
  const plain = /^[A-Za-z0-9_./][A-Za-z0-9_./@+=:-]*$/.test(text) && !/:$|^(null|true|false)$/.test(text);
  return plain ? text : JSON.stringify(text);
}
