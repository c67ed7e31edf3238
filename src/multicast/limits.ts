/** Every size, queue, retry and timer of the multicast protocol; PROTOCOL.md explains them. */

export const HEADER_BYTES = 32;
export const TAG_BYTES = 16;
export const TOKEN_BYTES = 8;

/** Ethernet's 1500 less 20 bytes of IPv4 and 8 of UDP. */
export const DATAGRAM_BYTES_DEFAULT = 1472;
export const DATAGRAM_BYTES_MIN = 544;
/** A jumbo frame of 9000 bytes. */
export const DATAGRAM_BYTES_MAX = 8972;
/** Control datagrams (heartbeat, report, answer) never grow with the data. */
export const CONTROL_DATAGRAM_BYTES_MAX = 1472;

export const CHUNK_COUNT_MAX = 0x0800_0000;
/** The largest raw chunk an image may have, with room for a codec that expands. */
export const CHUNK_BYTES_MAX = 17 * 1024 * 1024;
export const FRAGMENTS_MAX = 65_535;
export const RECEIVERS_MAX = 1000;

export const HEARTBEAT_INTERVAL_MS = 250;
/** How many heartbeats a report may be behind and still count as fresh. */
export const BEATS_BEHIND_MAX = 40;
export const ENDED_BEATS = 3;
export const ENDED_BEAT_INTERVAL_MS = 40;

/** Sending starts when every receiver has reported and no new one was added for a moment, or after this long. */
export const GATHER_MS_MIN = 400;
export const GATHER_MS_MAX = 8000;
/** A receiver that was announced and never heard is waited for this long at the end. */
export const JOIN_MS_MAX = 60_000;
/** No report for this long: what the receiver lacks is no longer sent for its sake. */
export const SILENT_MS_MAX = 4000;
/** No report for this long: the session no longer waits for the receiver. */
export const DROP_MS_MAX = 20_000;
/** Reporting, but no chunk more in this long: told to finish over TCP. */
export const STALL_MS_MAX = 10_000;

export const READ_AHEAD_JOBS_MIN = 2;
export const READ_AHEAD_JOBS_MAX = 8;
/** What is sent within this time is read ahead: more would only delay repairs. */
export const READ_AHEAD_MS = 200;
export const READ_RETRIES_MAX = 3;
export const READ_RETRY_WAIT_MS = 200;
export const CACHE_BYTES_MAX = 64 * 1024 * 1024;

/** Wants for one chunk are gathered this long, so that one repair serves all who lack it. */
export const REPAIR_WAIT_MS = 270;
export const WANTS_CHUNKS_MAX = 4096;
/** While fresh chunks remain, repairs take at most this part of the rate. */
export const REPAIR_SHARE_MAX = 0.6;
export const REPAIR_CREDIT_FRAGMENTS_MAX = 4096;
/** A round waits this long for the reports that tell what the last one left. */
export const ROUND_WAIT_MS_MAX = 1500;
/** A long round is listed anew this often, so that what is most wanted now does not wait for its end. */
export const RELIST_INTERVAL_MS = 2000;

/** After this many rounds the last few chunks of the last few receivers go over TCP. */
export const TAIL_ROUNDS_MIN = 3;
export const TAIL_CHUNKS_MAX = 8;
export const TAIL_RECEIVERS_MAX = 4;

export const REPORT_INTERVAL_MS = 250;
export const REPORT_WINDOW_CHUNKS_MAX = 65_536;
export const REPORT_RUNS_BYTES_MAX = 400;
export const REPORT_RUNS_MAX = 400;
export const REPORT_PARTIALS_MAX = 256;
/** A chunk counts as passed by when this many later datagrams were seen. */
export const SETTLED_DATAGRAMS_MIN = 64;
export const SETTLED_MS_MIN = 60;
/** Header fields are not authenticated: a sequence number further ahead than this is a forgery. */
export const SEQUENCE_AHEAD_MAX = 1 << 20;

export const ASSEMBLY_BYTES_MAX = 64 * 1024 * 1024;
export const ASSEMBLY_CHUNKS_MAX = 1024;
/** Complete chunks that wait for verification and writing; above it new chunks are refused. */
export const DELIVERY_BYTES_MAX = 32 * 1024 * 1024;
export const DELIVERY_CHUNKS_MAX = 64;
export const DELIVERIES_PARALLEL_MAX = 8;
/** A chunk that failed its verification this often is fetched over TCP. */
export const DAMAGED_TIMES_MAX = 2;
export const DAMAGED_CHUNKS_MAX = 4096;

export const SILENCE_MS_MAX_DEFAULT = 10_000;
/** The sender answers, and yet no heartbeat ever came: multicast does not reach this network. */
export const DEAF_MS_MAX = 3000;
export const FETCHES_PARALLEL_MAX = 4;
export const FETCH_RETRIES_MAX = 6;
export const FETCH_RETRY_WAIT_MS = 500;
export const FETCH_RETRY_WAIT_MS_MAX = 8000;
/** A complete receiver repeats its last report this long when the sender does not answer. */
export const LINGER_MS_MAX = 2000;

export const RATE_FLOOR_BYTES_PER_SECOND = 200_000;
/** 90 % of one gigabit a second. */
export const RATE_CEILING_BYTES_PER_SECOND = 112_500_000;
export const RATE_START_BYTES_PER_SECOND = 8_000_000;
export const RATE_INTERVAL_MS = 250;
/** Time in which nothing could be sent is made up for by a burst of at most so long or so many datagrams. */
export const PACE_CATCH_UP_MS_MAX = 5;
export const PACE_BURST_DATAGRAMS_MAX = 64;

export const SOCKET_BUFFER_BYTES = 8 * 1024 * 1024;
export const SEND_QUEUE_DATAGRAMS_MAX = 512;
export const SEND_SLOTS_MAX = 4096;
export const TIMER_MS_MAX = 250;
/** A multicast session does not leave its network unless told to. */
export const MULTICAST_TTL_DEFAULT = 1;
