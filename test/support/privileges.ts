import { execFileSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import type { Skippable } from './debian.ts';
import { type Scope, temporaryFolder } from './temporary.ts';

/** True if these tests may change users, mount and raise limits. */
export const IS_ROOT: boolean = process.geteuid?.() === 0;

/** Without root the test is skipped with a line, and the result is false. */
export function requireRoot(test: Skippable, why: string): boolean {
  if (!IS_ROOT) test.skip(`needs root: ${why}`);
  return IS_ROOT;
}

/** An account without privileges that Debian and most other systems have. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  /** The groups of a login including the primary one, as id(1) lists them. */
  readonly groups: readonly number[];
}

/** The data of a user according to id(1). */
export function account(name: string): Account {
  const ask = (option: string): string =>
    execFileSync('id', [option, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
  const groups = ask('-G').split(' ').map(Number);
  return { name, uid: Number(ask('-u')), gid: Number(ask('-g')), groups };
}

/**
 * Prefix of a command that runs it as that user, with the groups of a login and without any privileges of root
 * (setpriv(1)).
 */
export function asAccount({ uid, gid, groups }: Account): [string, ...string[]] {
  return ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, `--groups=${groups.join(',')}`, '--'];
}

/**
 * Prefix of a command for which pidfd_getfd(2) fails with EPERM, as with kernel.yama.ptrace_scope=1 for an ordinary
 * user (seccomp(2): the numbers of prctl(2) are those of x86-64 and of arm64).
 */
export function withoutTracing(): [string, ...string[]] {
  const prctl = process.arch === 'x64' ? 157 : 167;
  const program = `
    my $filter = pack('SCCL' x 4, 0x20,0,0,0, 0x15,0,1,438, 0x06,0,0,0x00050001, 0x06,0,0,0x7fff0000);
    my $fprog = pack('Sx6P', 4, $filter);
    syscall(${prctl}, 38, 1, 0, 0, 0) == 0 && syscall(${prctl}, 22, 2, $fprog, 0, 0) == 0 or die "seccomp: $!";
    exec { $ARGV[0] } @ARGV or die "exec: $!";`;
  return ['perl', '-e', program, '--'];
}

/** A temporary directory that every user may enter. */
export function sharedFolder(scope: Scope): string {
  const folder = temporaryFolder(scope);
  chmodSync(folder, 0o755);
  return folder;
}
