import { constants, promises } from 'node:fs';
import path from 'node:path';
import { parseLabel } from '../../control/label.ts';
import type { LabelSource } from '../../lifecycle/facts.ts';
import { absolute } from '../../workers/spawning/release.ts';
import type { Prepared } from './prepare.ts';

/** Where a release is. */
export interface ReleasePlace {
  /** Absolute, with the symlinks that the user wrote: directories of its files, and its working directory. */
  readonly written: readonly string[];
  /** The same directories as they were found when the release was prepared. */
  readonly found: readonly string[];
}

/**
 * The name of the release of a new generation, in another turn of the event loop: a spawn need not wait for it. Of an
 * earlier release that is the name that it had then. null where there is none. Never rejects.
 */
export async function labelOf(prepared: Prepared, startDirectory: string): Promise<FoundLabel | null> {
  await new Promise((resolve) => setImmediate(resolve));
  const { rollbackTo, label } = prepared;
  if (rollbackTo !== null) return label === null ? null : { label, from: 'rollback' };
  return findLabel(placeOf(prepared, startDirectory));
}

/** Where the release of a generation is. @param startDirectory where relative paths of the config begin */
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
  // The directory where zero was started says nothing of a program elsewhere.
  const isItsOwn =
    runtime.directory !== '' || found.length === 0 || found.some((file) => isIn(file, release.directory));
  return {
    written: [...written.map((file) => path.dirname(file)), ...(isItsOwn ? [directory] : [])],
    found: [...found.map((file) => path.dirname(file)), ...(isItsOwn ? [release.directory] : [])],
  };
}

/** Whether a path is a directory, or below it. */
function isIn(file: string, directory: string): boolean {
  return file === directory || file.startsWith(directory === '/' ? '/' : `${directory}/`);
}

export interface FoundLabel {
  readonly label: string;
  readonly from: LabelSource;
}

/**
 * Finds a name for a release that was given none: the name of the symlink's target (`current -> releases/2024-01-02`),
 * the first line of a file VERSION, or the first 12 digits of the commit that is checked out. null where there is none.
 * Never rejects: what cannot be read, or is no label, is passed over. Reads at most a few KiB of each file, and 4 MiB of
 * a repository's packed refs, in libuv's pool.
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

/** The name of what the last symlink of a path leads to. @param found where the release was found behind the links */
async function linkTarget(written: string, found: readonly string[]): Promise<string | null> {
  for (let at = path.resolve(written); at !== path.dirname(at); at = path.dirname(at)) {
    const target = await promises.readlink(at).catch(() => null);
    const real = target === null ? null : await promises.realpath(at).catch(() => null);
    // The link may lead to the next release by now.
    if (target === null || real === null || !found.some((directory) => isIn(directory, real))) continue;
    const name = path.basename(target);
    const label = labelIn(name === '.' || name === '..' ? path.basename(real) : name);
    // Links such as /bin -> usr/bin move a directory, and name no release.
    if (label !== null && label !== path.basename(at)) return label;
  }
  return null;
}

const SHORT_COMMIT = 12;
const COMMIT = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/;
const REF = /^ref: (refs\/[^\s~^:?*[\\]+)$/;

/**
 * The commit that is checked out in a working tree of git: gitrepository-layout(5). null where the directory is none, or
 * keeps its refs in another way (reftable).
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

/** A file in its place names the directory: of a linked working tree, or a submodule. */
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

/** A regular file of at most `max` bytes as text; null for any other. Never waits for another process, as a pipe would. */
async function readSmall(file: string, max: number = MAX_SMALL): Promise<string | null> {
  const { O_RDONLY, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    // Before it is opened: of a device that alone may do something.
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
