/** What is wrong with a command, in the words of nft and the kernel. */
export type CommandProblem = string;

export const BUSY = 'Device or resource busy';
export const EXISTS = 'File exists';
export const UNSUPPORTED = 'Operation not supported';

/** NFT_NAME_MAXLEN (include/uapi/linux/netfilter/nf_tables.h), without its closing zero. */
export const NAME_LENGTH_MAX = 255;
