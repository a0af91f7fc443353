// Where the tokens of the bench say that they come from, and whom they are for.

export const ISSUER = 'https://gateway.test'

/** The web app that Clerk's tokens are issued to. */
export const WEB_APP = 'https://app.test'
