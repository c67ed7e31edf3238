/** What the running console is, for people and scripts. */
export interface ConsoleStatus {
  name: string;
  version: string;
  interface: string;
  address: string;
  ports: { control: number; discovery: number; service: number; data: number };
  certificateSha256: string;
  dataDir: string;
  imagesDir: string;
}
