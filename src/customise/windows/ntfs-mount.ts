/**
 * What ntfs-3g is to be mounted with before files are written for Windows: new files and folders inherit the
 * permissions of the folder they are in, as on Windows. Without a user mapping ntfs-3g gives everyone full control of
 * them, of drivers and scripts that run as SYSTEM too (ntfs-3g(8), "inherit" and "User Mapping").
 *
 * @param mappingPath a file that holds {@link NTFS_USER_MAPPING}.
 */
export function ntfsMountOptions(mappingPath: string): string[] {
  return ['inherit', `usermapping=${mappingPath}`, 'windows_names', 'noatime'];
}

/** Any pattern turns inheritance on; root's own files belong to Administrators. */
export const NTFS_USER_MAPPING = '::S-1-5-21-1000000001-1000000002-1000000003-10000\n';
