package cli

import "github.com/spf13/cobra"

const profilesHelp = `A profile says how a passphrase becomes a Fernet key and how tokens are written.

  fernpost   Argon2id, 64 MiB, 3 passes; the salt is made from the channel's id. The default.
  pbkdf2     PBKDF2-HMAC-SHA256, 1,200,000 iterations, the same salt: for peers without Argon2.
  tutorial   PBKDF2-HMAC-SHA256, 100,000 iterations, salt "salt_", tokens written b'gAAA…':
             what published Python scripts do. One table of guesses serves every channel of the world:
             weak against a guesser, there to talk to such scripts.
  custom:…   anything else of that kind, for example
             custom:kdf=pbkdf2,hash=sha512,salt=salt_,iterations=100000
             custom:kdf=pbkdf2,hash=sha256,salt=static_salt_value,iterations=100000,wrapper=python

"join" tries fernpost, pbkdf2 and tutorial by itself and says which one opened a message.`

// helpTopics are pages of "fernpost help" that belong to no single command.
func helpTopics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "exit-codes", Short: "The exit codes that scripts may rely on", Long: exitCodesHelp},
		{Use: "secrets", Short: "Where passphrases and keys come from and are kept", Long: secretsHelp},
		{Use: "json", Short: "What --json prints", Long: jsonHelp()},
		{Use: "profiles", Short: "How a passphrase becomes a key", Long: profilesHelp},
	}
}
