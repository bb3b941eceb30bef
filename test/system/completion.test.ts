import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chownSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { promisify } from 'node:util';
import { requireProgram } from '../support/debian.ts';
import { installZero } from '../support/installed.ts';
import { fixture } from '../support/paths.ts';
import { account, asAccount, IS_ROOT, sharedFolder } from '../support/privileges.ts';
import type { Scope } from '../support/temporary.ts';
import { DEADLINE, startZero } from '../support/zero.ts';

/** Typed text, and the only completion of its last word. */
const COMPLETED: readonly (readonly [string, string])[] = [
  ['zero rel', 'reload'],
  ['zero reload --prev', '--preview'],
  ['zero --config x sch', 'schema'],
  ['zero status --name we', 'web-7'],
  ['zero run --name we', 'we'],
  ['zero rollback --name web-7 --to ', '1'],
  ['zero completion zs', 'zsh'],
  ['zero check --config bin/ze', 'bin/zero'],
  ['zero run --listen 80 -- bin/ze', 'bin/zero'],
  ['zero run --listen 80 --lis', '--listen'],
  ['zero run --name x --na', '--na'],
  ['zero status --wa', '--watch'],
  ['zero status --watch --wa', '--wa'],
  ['zero logs -f --fol', '--fol'],
  ['zero logs -f --name we', 'web-7'],
];

/** The script for a shell, in which each line is an argument. It prints one line for each. */
const ASKED = {
  // In the same way as readline calls the function (Programmable Completion, bash(1)).
  bash: `source <(zero completion bash)
    for line; do
      read -ra COMP_WORDS <<<"$line"; [[ $line != *' ' ]] || COMP_WORDS+=(''); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _zero 2>/dev/null
      echo "\${COMPREPLY[*]:-\${COMP_WORDS[COMP_CWORD]}}"
    done`,
  // On a terminal, with the Tab key.
  zsh: `source ./complete.zsh`,
  fish: `zero completion fish | source
    for line in $argv
      set -l found (complete -C "$line" | string split -f 1 \\t)
      test -n "$found"; or set found (string split ' ' -- $line)[-1]
      echo $found
    end`,
} as const;

/** A directory with zero on the PATH, a serving instance, and the ordinary user who owns it. */
async function surroundings(
  scope: Scope,
): Promise<{ cwd: string; env: NodeJS.ProcessEnv; prefix: string[] }> {
  const folder = sharedFolder(scope);
  const { command } = installZero(scope);
  mkdirSync(join(folder, 'bin'));
  writeFileSync(join(folder, 'bin', 'zero'), `#!/bin/sh\nexec ${command.join(' ')} "$@"\n`, { mode: 0o755 });
  copyFileSync(fixture('complete.zsh'), join(folder, 'complete.zsh'));
  const nobody = account('nobody');
  if (IS_ROOT) chownSync(folder, nobody.uid, nobody.gid);
  const env = {
    HOME: folder,
    PATH: `${join(folder, 'bin')}:${process.env.PATH}`,
    XDG_RUNTIME_DIR: join(folder, 'run'),
    TMPDIR: folder,
    TERM: 'xterm',
    LC_ALL: 'C.UTF-8',
  };
  const prefix = IS_ROOT ? asAccount(nobody) : [];
  const [program = '', ...args] = [...prefix, ...command];
  const zero = startZero(scope, {
    folder,
    command: [program, ...args],
    args: ['run', '--name', 'web-7', '--', '/bin/sleep', '1000'],
    environment: { ...env, XDG_STATE_HOME: folder },
  });
  await zero.fact('generation_promoted');
  return { cwd: folder, env, prefix };
}

for (const shell of ['bash', 'zsh', 'fish'] as const) {
  it(`${shell} completes commands, options, files, instances and generations`, DEADLINE, async (t) => {
    const program = requireProgram(t, shell, shell);
    if (program === null) return;
    const { prefix, ...options } = await surroundings(t);
    const name = shell === 'fish' ? [] : [shell];
    const lines = COMPLETED.map(([typed]) => typed);
    const [first = '', ...args] = [...prefix, program, '-c', ASKED[shell], ...name, ...lines];
    const { stdout, stderr } = await promisify(execFile)(first, args, options);
    const last = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.trimEnd().split(' ').at(-1));
    assert.deepEqual(
      last,
      COMPLETED.map(([, word]) => word),
      stderr,
    );
  });
}
