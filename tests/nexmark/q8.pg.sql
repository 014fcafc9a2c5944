SELECT DISTINCT p.id, p.name, date_bin('10 s', p.date_time, 'epoch')
FROM person AS p
JOIN auction AS a ON p.id = a.seller
                 AND date_bin('10 s', p.date_time, 'epoch') = date_bin('10 s', a.date_time, 'epoch')
