import { readRecipe } from './recipe.ts';
import type { RawConfig } from './zero-config.ts';

/** The recipe of docs/guide/programs/nginx.md. */
export interface NginxRecipe {
  readonly service: RawConfig['service'];
  /** nginx.conf with a JSON response. */
  conf(answer: unknown): string;
}

/** @param folder the directory of nginx's files, including nginx.conf */
export function nginxRecipe(program: string, folder: string, address: string): NginxRecipe {
  const { config, block } = readRecipe('nginx', {
    '/usr/sbin/nginx': program,
    '/srv/example': folder,
    '/run/': `${folder}/`,
    '127.0.0.1:8080': address,
  });
  const text = block('nginx').replace('access_log off;', `access_log off;\n${nginxBuffers(folder)}`);
  return {
    service: config.service,
    conf: (answer) => text.replace('"hello\\n"', `'${JSON.stringify(answer)}'`),
  };
}

/** Directives for the buffers of nginx. Users other than root may not use Debian's directories. */
export function nginxBuffers(folder: string): string {
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return kinds.map((kind) => `${kind}_temp_path ${folder}/${kind};`).join('\n');
}
