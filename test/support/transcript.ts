import { spawn } from 'node:child_process';
import { on } from 'node:events';
import { lchownSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { guardProcesses } from './guard.ts';
import { ROOT } from './paths.ts';
import { account, asAccount, IS_ROOT } from './privileges.ts';
import type { Scope } from './temporary.ts';

/** A command in a document, and the documented output of the command. */
export interface Step {
  readonly command: string;
  readonly printed: readonly string[];
}

/** A console block, or a file that the reader saves. */
const BLOCK =
  /^```console\n(?<console>.*?)^```|Save this as `(?<path>[^`]+)`[^\n]*:\n\n```\w+\n(?<text>.*?)^```/gms;

/**
 * The commands of a document or of one of its sections, in order. A file that the reader saves ("Save this as `PATH`:"
 * before a block) is a command that writes the file and prints nothing.
 */
export function readTranscript(document: string, section?: string): Step[] {
  const whole = readFileSync(join(ROOT, document), 'utf8');
  const body =
    section === undefined ? whole : whole.split(/^## /m).find((part) => part.startsWith(`${section}\n`));
  if (body === undefined) throw new Error(`${document} has no section ${section}`);
  const steps: { command: string; printed: string[] }[] = [];
  for (const { groups = {} } of body.matchAll(BLOCK)) {
    if (groups.path !== undefined) {
      steps.push({ command: `cat >${groups.path} <<'EOF'\n${groups.text}EOF`, printed: [] });
      continue;
    }
    for (const line of (groups.console ?? '').trimEnd().split('\n')) {
      if (line.startsWith('$ ')) steps.push({ command: line.slice(2), printed: [] });
      else steps.at(-1)?.printed.push(line);
    }
  }
  return steps;
}

/**
 * Matches the output of a command on another machine. Times, durations, pids, fractional numbers, counts of `uniq` and
 * directories may differ, and a line `...` stands for any number of lines.
 *
 * @param home a directory of the document, which may be any other directory
 */
export function transcriptPattern(printed: readonly string[], home: string): RegExp {
  const lines = printed.map((line) => {
    if (line.trim() === '...') return '(?:.*\n)*?';
    const escaped = line.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
    return `${escaped
      // Columns are as wide as their content.
      .replaceAll(/(?<=\S) {2,}/g, ' +')
      .replaceAll(/^ +\d+ (?=hello)/g, ' +\\d+ ')
      .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, '[\\d-]{10} [\\d:]{8}')
      .replaceAll(/\d\d:\d\d:\d\d\\\.\d{3}/g, '[\\d:]{8}\\.\\d{3}')
      .replaceAll(/\d+(?:\\\.\d+)?m?s\b/g, '[\\d.]+m?s')
      .replaceAll(/\d+\\\.\d+ (?=%|MiB)/g, '[\\d.]+ ')
      .replaceAll(/\b\d+ (?=connections|sockets|queued)/g, '\\d+ ')
      .replaceAll(/(\b(?:pid|keeper|HUP) |\b(?:pid|fd)=)\d+/g, '$1\\d+')
      .replaceAll(home, '/.*')}\n`;
  });
  return new RegExp(`^${lines.join('')}$`);
}

/** An ordinary user with a home directory, who follows a document. */
export interface Reader {
  /** Prefix of a command that runs it as this user. */
  readonly prefix: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  /** Runs a command in the reader's shell, which keeps its directory. Resolves to the whole output. */
  type(command: string): Promise<string>;
}

const END = 'END OF THE COMMAND';

/** @param home the home directory with all files of the reader; the reader's shell starts there */
export function startReader(scope: Scope, home: string, environment: NodeJS.ProcessEnv = {}): Reader {
  // curl reports its progress if its output is not a terminal.
  writeFileSync(join(home, '.curlrc'), 'silent\nshow-error\n');
  if (IS_ROOT) {
    const { uid, gid } = account('nobody');
    for (const name of ['.', ...readdirSync(home, { recursive: true, encoding: 'utf8' })])
      lchownSync(join(home, name), uid, gid);
  }
  const prefix = IS_ROOT ? asAccount(account('nobody')) : [];
  // The npm that runs these tests sets variables for its children, such as the cache of another user.
  const others = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name));
  const env: NodeJS.ProcessEnv = {
    ...Object.fromEntries(others),
    HOME: home,
    XDG_RUNTIME_DIR: home,
    XDG_STATE_HOME: home,
    TMPDIR: home,
    // Once a week npm reports on standard error that a newer npm exists.
    npm_config_update_notifier: 'false',
    ...environment,
  };
  for (const name of ['ZERO_CONFIG', 'NODE_OPTIONS', 'NODE_TEST_CONTEXT']) delete env[name];

  const [program = 'sh', ...args] = [...prefix, 'sh'];
  const shell = spawn(program, args, { cwd: home, env, stdio: ['pipe', 'pipe', 'inherit'] });
  if (shell.pid !== undefined) guardProcesses(scope).own(shell.pid);
  const output = shell.stdout.setEncoding('utf8');
  shell.stdin.write('exec 2>&1\n');
  const type = async (command: string): Promise<string> => {
    let printed = '';
    shell.stdin.write(`{ ${command}\n} </dev/null; echo '${END}'\n`);
    for await (const [text] of on(output, 'data', { close: ['end'] })) {
      printed += text;
      if (printed.endsWith(`${END}\n`)) return printed.slice(0, -END.length - 1);
    }
    throw new Error(`the shell ended at ${command}: ${printed}`);
  };
  return { prefix, environment: env, type };
}
