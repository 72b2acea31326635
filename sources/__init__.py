"""Where members and items come from: files, feeds and addresses, read row by row in constant memory."""
