create extension if not exists pgcrypto schema public;;
-- Fernet with a binding inside, as the sidecar seals: form, workspace, row, length of the column's name, its name, the token.
create or replace function public.sealed(key bytea, workspace uuid, account uuid, column_name text, secret text) returns text language plpgsql as $$
declare
  iv bytea := public.gen_random_bytes(16);
  body bytea := '\x80' || int8send(extract(epoch from now())::bigint) || iv || public.encrypt_iv(
    '\x01' || uuid_send(workspace) || uuid_send(account) || set_byte('\x00', 0, length(column_name)) || convert_to(column_name || secret, 'UTF8'),
    substr(key, 17, 16), iv, 'aes-cbc/pad:pkcs');
begin
  return translate(encode(body || public.hmac(body, substr(key, 1, 16), 'sha256'), 'base64'), E'+/\n', '-_');
end
$$
