/** Lives of access tokens, in seconds. */

/** Unless an application says otherwise. */
export const ACCESS_TOKEN_SECONDS = 3600;
/** Shortest that an application may choose. */
export const ACCESS_TOKEN_SECONDS_MIN = 60;
/** Longest that an application may choose: 14 days, which clients of older servers expect. */
export const ACCESS_TOKEN_SECONDS_MAX = 14 * 24 * 3600;
