import { constants, promises } from 'node:fs';
import path from 'node:path';
import { parseLabel } from '../../control/label.ts';
import type { LabelSource } from '../../lifecycle/facts.ts';
import { absolute } from '../../workers/spawning/release.ts';
import type { Prepared } from './prepare.ts';

/** The location of a release. */
export interface ReleasePlace {
  /** Absolute paths with the symlinks that the user wrote: the directories of its files, and its working directory. */
  readonly written: readonly string[];
  /** The same directories, resolved when the release was prepared. */
  readonly found: readonly string[];
}

/**
 * Finds the label of the release of a new generation, in another turn of the event loop so that a spawn need not wait.
 * An earlier release keeps its label. Resolves to null without a label. Never rejects.
 */
export async function labelOf(prepared: Prepared, startDirectory: string): Promise<FoundLabel | null> {
  await new Promise((resolve) => setImmediate(resolve));
  const { rollbackTo, label } = prepared;
  if (rollbackTo !== null) return label === null ? null : { label, from: 'rollback' };
  return findLabel(placeOf(prepared, startDirectory));
}

/**
 * The location of the release of a generation.
 * @param startDirectory the base of relative paths in the config
 */
export function placeOf({ config, release, record }: Prepared, startDirectory: string): ReleasePlace {
  const { runtime } = config.service;
  const directory = absolute(runtime.directory, startDirectory);
  const isProgram = record.kind !== 'interpreter';
  const found = isProgram ? [release.executable] : (record.scripts ?? []).map(({ path }) => path);
  const written = isProgram
    ? [absolute(runtime.path, directory)]
    : found.map((file) =>
        isIn(file, release.directory) ? directory + file.slice(release.directory.length) : file,
      );
  // The directory where zero was started does not identify a program that is elsewhere.
  const isItsOwn =
    runtime.directory !== '' || found.length === 0 || found.some((file) => isIn(file, release.directory));
  return {
    written: [...written.map((file) => path.dirname(file)), ...(isItsOwn ? [directory] : [])],
    found: [...found.map((file) => path.dirname(file)), ...(isItsOwn ? [release.directory] : [])],
  };
}

/** Whether a path is a directory or below it. */
function isIn(file: string, directory: string): boolean {
  return file === directory || file.startsWith(directory === '/' ? '/' : `${directory}/`);
}

export interface FoundLabel {
  readonly label: string;
  readonly from: LabelSource;
}

/**
 * Finds a label for a release without one: the name of the symlink's target (`current -> releases/2024-01-02`), the
 * first line of a file VERSION, or the first 12 digits of the commit that is checked out. Resolves to null if none is
 * found. Never rejects; skips unreadable files and invalid labels. Reads at most a few KiB of each file, and 4 MiB of a
 * repository's packed refs, in libuv's pool.
 */
export async function findLabel({ written, found }: ReleasePlace): Promise<FoundLabel | null> {
  const directories = new Set(found);
  for (const one of new Set(written)) {
    const label = await linkTarget(one, found);
    if (label !== null) return { label, from: 'link' };
  }
  for (const directory of directories) {
    const [line = ''] = (await readSmall(path.join(directory, 'VERSION')))?.split('\n', 1) ?? [];
    const label = labelIn(line);
    if (label !== null) return { label, from: 'version_file' };
  }
  for (const directory of directories) {
    const commit = await checkedOut(directory);
    if (commit !== null) return { label: commit.slice(0, SHORT_COMMIT), from: 'git' };
  }
  return null;
}

function labelIn(text: string): string | null {
  const parsed = parseLabel(text.trim());
  return 'label' in parsed ? parsed.label : null;
}

/**
 * The name of the target of the last symlink in a path.
 * @param found the resolved directories of the release
 */
async function linkTarget(written: string, found: readonly string[]): Promise<string | null> {
  for (let at = path.resolve(written); at !== path.dirname(at); at = path.dirname(at)) {
    const target = await promises.readlink(at).catch(() => null);
    const real = target === null ? null : await promises.realpath(at).catch(() => null);
    // Meanwhile the link may lead to the next release.
    if (target === null || real === null || !found.some((directory) => isIn(directory, real))) continue;
    const name = path.basename(target);
    const label = labelIn(name === '.' || name === '..' ? path.basename(real) : name);
    // Links such as /bin -> usr/bin move a directory and do not identify a release.
    if (label !== null && label !== path.basename(at)) return label;
  }
  return null;
}

const SHORT_COMMIT = 12;
const COMMIT = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/;
const REF = /^ref: (refs\/[^\s~^:?*[\\]+)$/;

/**
 * The commit that is checked out in a working tree of git: gitrepository-layout(5). null if the directory is no working
 * tree, or stores its refs in another way (reftable).
 */
async function checkedOut(directory: string): Promise<string | null> {
  const place = await gitDirectory(path.join(directory, '.git'));
  const head = place && firstLine(await readSmall(path.join(place, 'HEAD')));
  if (!place || !head) return null;
  if (COMMIT.test(head)) return head;
  const [, ref] = REF.exec(head) ?? [];
  if (ref === undefined || ref.split('/').includes('..')) return null;
  // A linked working tree shares the refs of its repository.
  const common = firstLine(await readSmall(path.join(place, 'commondir')));
  const shared = common ? path.resolve(place, common) : place;
  const loose = firstLine(await readSmall(path.join(shared, ref)));
  if (loose && COMMIT.test(loose)) return loose;
  const packed = await readSmall(path.join(shared, 'packed-refs'), MAX_PACKED_REFS);
  const [commit = ''] =
    packed
      ?.split('\n')
      .find((line) => line.endsWith(` ${ref}`))
      ?.split(' ') ?? [];
  return COMMIT.test(commit) ? commit : null;
}

/**
 * The git directory of a working tree. A linked working tree or a submodule has a file in its place that names the
 * directory.
 */
async function gitDirectory(place: string): Promise<string | null> {
  const stats = await promises.stat(place).catch(() => null);
  if (stats?.isDirectory()) return place;
  const [, target] = /^gitdir: (.+)$/.exec(firstLine(await readSmall(place)) ?? '') ?? [];
  return target === undefined ? null : path.resolve(path.dirname(place), target);
}

function firstLine(text: string | null): string | null {
  return text?.split('\n', 1)[0]?.trimEnd() ?? null;
}

const MAX_SMALL = 4096;
const MAX_PACKED_REFS = 4 * 1024 * 1024;

/**
 * The text of a regular file of at most `max` bytes; null otherwise. Never waits for another process, as reading a pipe
 * could.
 */
async function readSmall(file: string, max: number = MAX_SMALL): Promise<string | null> {
  const { O_RDONLY, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    // Checked before the open, because opening a device can have a side effect.
    if (!(await promises.stat(file)).isFile()) return null;
    const handle = await promises.open(file, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    try {
      const stats = await handle.stat();
      if (!stats.isFile() || stats.size > max) return null;
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(stats.size), 0, stats.size, 0);
      return new TextDecoder('utf-8', { fatal: true }).decode(buffer.subarray(0, bytesRead));
    } finally {
      await handle.close();
    }
  } catch {
    return null;
  }
}
