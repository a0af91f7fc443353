// The pages, loaded together when the first of them is asked for.

export { showAccount, submitAccount } from './account.tsx'
export { submitLink } from './link.ts'
export { showPassword, submitPassword } from './password.tsx'
export { showReset, submitReset } from './reset.tsx'
export { showSignIn, submitSignIn } from './sign-in.tsx'
export { submitSignOut } from './sign-out.ts'
export { showSignUp, submitSignUp } from './sign-up.tsx'
