import assert from 'node:assert/strict';
import { chmodSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HistoryDocument } from '../../src/control/protocol.ts';
import { command } from './command.ts';
import type { Puppet } from './puppet.ts';
import { nextReady, type PuppetSections, puppetConfig } from './puppet-service.ts';
import { type Puppets, startPuppets } from './puppets.ts';
import { type Scope, temporaryFolder } from './temporary.ts';
import { startZero, type Zero } from './zero.ts';

/** A service whose release is one script. A deploy replaces the script. */
export interface Deployed {
  readonly zero: Zero;
  readonly puppets: Puppets;
  readonly folder: string;
  readonly script: string;
  /** Renames a new version over the script. `ballast`: additional bytes of the script, which take time to hash. */
  deploy(version: string, ballast?: number): void;
  /** Writes another config for the next handover. */
  configure(sections: PuppetSections): void;
  history(): Promise<HistoryDocument['generations']>;
}

/** A variable of the puppet's environment. */
export const variable = (puppet: Puppet, name: string): string | undefined =>
  puppet.environment
    .map(String)
    .find((entry) => entry.startsWith(`${name}=`))
    ?.slice(name.length + 1);

/**
 * Starts the supervisor with version 1, without waiting for any event.
 * @param broken the text of a script instead of version 1; null for none
 */
export async function startDeployed(
  scope: Scope,
  sections: PuppetSections = {},
  folder = temporaryFolder(scope),
  broken?: string | null,
): Promise<Deployed> {
  const puppets = await startPuppets(scope);
  const script = join(folder, 'server');
  const deploy = (version: string, ballast = 0) => {
    const program = puppets.command.map((part) => `'${part}'`).join(' ');
    writeFileSync(`${script}.new`, `#!/bin/sh\nVERSION=${version}\nexport VERSION\nexec ${program} "$@"\n`);
    // The shell reads nothing behind exec.
    truncateSync(`${script}.new`, statSync(`${script}.new`).size + ballast);
    chmodSync(`${script}.new`, 0o755);
    renameSync(`${script}.new`, script);
  };
  const configOf = ({ runtime, ...rest }: PuppetSections) =>
    puppetConfig(puppets, {
      ...rest,
      runtime: { path: script, args: ['one'], directory: folder, ...runtime },
    });
  deploy('1');
  if (broken === null) rmSync(script);
  else if (broken !== undefined) writeFileSync(script, broken);
  const zero = startZero(scope, { folder, config: configOf(sections) });
  return {
    zero,
    puppets,
    folder,
    script,
    deploy,
    configure: (changed) => zero.rewrite(configOf(changed)),
    async history() {
      const { code, stdout, stderr } = await command(scope, zero, 'history', '--json');
      assert.equal(code, 0, stderr);
      return JSON.parse(stdout).generations;
    },
  };
}

/** Starts the first version, and waits until it serves and its executable is kept. */
export async function startKept(
  scope: Scope,
  sections: PuppetSections = {},
): Promise<Deployed & { first: Puppet }> {
  const service = await startDeployed(scope, sections);
  const first = await nextReady(service.puppets);
  await service.zero.fact('executable_kept', { generation: 1 });
  return { ...service, first };
}

/** The same, with the second version deployed over the first one. */
export async function startTwice(scope: Scope): Promise<Deployed & { second: Puppet }> {
  const service = await startKept(scope);
  service.deploy('2');
  service.zero.signal('SIGHUP');
  const second = await nextReady(service.puppets);
  await service.zero.fact('executable_kept', { generation: 2 });
  await service.first.gone;
  return { ...service, second };
}
