import manifest from '../../package.json' with { type: 'json' };

/** The version of this zero, from its package. */
export const version: string = manifest.version;
