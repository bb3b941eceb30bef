import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { errnoNumber } from '../../../src/linux/errors.ts';
import { useLibc } from '../../../src/linux/libc.ts';
import { openMemoryFile } from '../../../src/linux/memory.ts';

test('the descriptor is at the beginning of the content, and is closed by exec', () => {
  const content = Buffer.alloc(1 << 20, 'content ');
  const fd = openMemoryFile('zero-test', content);
  try {
    assert.match(readlinkSync(`/proc/self/fd/${fd}`), /^\/memfd:zero-test/);
    const [, flags = ''] = /^flags:\t(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')) ?? [];
    assert.equal(Number.parseInt(flags, 8) & 0o2000000, 0o2000000);
    assert.ok(readFileSync(fd).equals(content));
  } finally {
    closeSync(fd);
  }
});

test('MFD_NOEXEC_SEAL is omitted if the kernel does not know it', () => {
  const asked: number[] = [];
  const restore = useLibc({
    memfd_create: (_name, flags) => {
      asked.push(flags);
      return flags === 1 ? openSync('/dev/null', 'w') : -1;
    },
    errno: () => errnoNumber('EINVAL'),
  });
  try {
    closeSync(openMemoryFile('zero-test', Buffer.from('x')));
    assert.deepEqual(asked, [9, 1]);
  } finally {
    restore();
  }
});
