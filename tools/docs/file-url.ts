import packageJson from '../../package.json' with { type: 'json' };

/** Returns the URL of a file of the repository at the tag of this version. */
export const fileUrl = (file: string): string => `${packageJson.repository}/blob/v${packageJson.version}/${file}`;

/** Returns the URL of a file of the release of this version. */
export const releaseUrl = (file: string): string =>
  `${packageJson.repository}/releases/download/v${packageJson.version}/${file}`;
